// Shared by both Node servers: the gateway's own schema, and resolvers that call the REST API with undici.
import { readFileSync } from 'node:fs';
import { GraphQLScalarType, Kind } from 'graphql';
import { Pool } from 'undici';

const upstream = new URL(process.env.UPSTREAM);
const collection = `${upstream.pathname}/linkedIn/invitations`;
const pool = new Pool(upstream.origin, { connections: null, keepAliveTimeout: 60_000 }); // null: no limit

async function call(method, target, authorization, content) {
  const headers = { accept: 'application/json', authorization };
  if (content) headers['content-type'] = 'application/json';
  const answer = await pool.request({ method, path: target, headers, body: content && JSON.stringify(content) });
  if (answer.statusCode < 300) return answer.body.json();
  await answer.body.dump();
  throw new Error(`the REST API answered ${answer.statusCode}`);
}

export const typeDefs = readFileSync(process.env.SCHEMA, 'utf8');

// The two servers pass a request's headers to resolvers in different places.
export const resolversWith = (authorizationOf) => ({
  Int64: new GraphQLScalarType({
    name: 'Int64',
    serialize: String,
    parseValue: Number,
    parseLiteral: (node) => (node.kind === Kind.INT ? Number(node.value) : undefined),
  }),
  Query: {
    invitation: (_, { id }, context) =>
      call('GET', `${collection}/${encodeURIComponent(id)}`, authorizationOf(context)),
    invitations: async (_, { first }, context) => {
      const page = await call('GET', `${collection}?$top=${first}`, authorizationOf(context));
      return { nodes: page.value };
    },
  },
  Mutation: {
    createInvitation: (_, { input }, context) => call('POST', collection, authorizationOf(context), input),
  },
});
