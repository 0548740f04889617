import { createServer } from 'node:http';
import { createSchema, createYoga } from 'graphql-yoga';
import { resolversWith, typeDefs } from './invitations.js';

const resolvers = resolversWith(({ request }) => request.headers.get('authorization'));
const yoga = createYoga({ schema: createSchema({ typeDefs, resolvers }), logging: 'error' });
createServer(yoga).listen(Number(process.env.PORT), '127.0.0.1');
