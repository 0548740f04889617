import Fastify from 'fastify';
import mercurius from 'mercurius';
import { resolversWith, typeDefs } from './invitations.js';

const resolvers = resolversWith(({ reply }) => reply.request.headers.authorization);
const app = Fastify({ logger: false });
app.register(mercurius, { schema: typeDefs, resolvers, jit: 1 });
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
