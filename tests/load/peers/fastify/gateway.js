// A peer to compare with: the gateway as it is usually written with fastify, its proxy and its JWT plugin.
import { readFileSync } from "node:fs";

import proxy from "@fastify/http-proxy";
import jwt from "@fastify/jwt";
import fastify from "fastify";
import Redis from "ioredis";

const { CACHED, PORT, PUBLIC_KEY, REDIS, UPSTREAM } = process.env;
const app = fastify({ bodyLimit: 2 * 1024 * 1024 });
const redis = CACHED ? null : new Redis(REDIS);

app.register(jwt, {
  secret: { public: readFileSync(PUBLIC_KEY, "utf8") },
  verify: {
    algorithms: ["RS256"],
    allowedIss: "sallyport",
    allowedAud: "sallyport-api",
    cache: CACHED ? 100_000 : false,
  },
});

async function authenticate(request, reply) {
  try {
    await request.jwtVerify();
  } catch {
    return reply.code(401).send({ detail: "Unauthorized" });
  }
  if (redis && (await redis.get(`blocklist:${request.user.jti}`)) !== null) {
    return reply.code(401).send({ detail: "Unauthorized" });
  }
}

app.register(proxy, {
  upstream: UPSTREAM,
  prefix: "/api",
  rewritePrefix: "/api",
  preHandler: authenticate,
  undici: { connections: 4096 },
  replyOptions: {
    rewriteRequestHeaders: (request, { authorization, ...headers }) => ({ ...headers, "x-user-id": request.user.sub }),
  },
});

await app.listen({ host: "127.0.0.1", port: Number(PORT), backlog: 4096 });
