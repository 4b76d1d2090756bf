/** Plays lives of apps against a running gateway: `lifetimes.js URL LIVES FIRST SEED`. Prints one JSON line of results. */

import { createClient, memoryStorage } from "../src/index.js";
import { type Account, live } from "./life.js";

const ACCOUNTS = 40;
const AT_A_TIME = 32;

async function main(url: string, lives: number, first: number, seed: number): Promise<number> {
  const accounts = await Promise.all(Array.from({ length: Math.min(ACCOUNTS, lives) }, (_, index) => register(url, index)));
  const failures: string[] = [];
  const steps: Record<string, number> = {};
  const began = Date.now();
  let requests = 0;
  let next = 0;
  let ended = 0;
  const play = async () => {
    while (next < lives) {
      const life = first + next++;
      try {
        const diary = await live(url, accounts[life % accounts.length]!, life, seed);
        requests += diary.requests;
        for (const [name, count] of Object.entries(diary.steps)) steps[name] = (steps[name] ?? 0) + count;
      } catch (error) {
        failures.push(`life ${life}: ${error instanceof Error ? error.message : String(error)}`);
        process.stderr.write(`${failures.at(-1)}; again: make lifetimes CLIENT=front-end LIVES=1 FIRST=${life} SEED=${seed}\n`);
      }
      if (++ended % 500 === 0) process.stderr.write(`${ended} of ${lives} lives, ${failures.length} failures\n`);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, play));
  const seconds = Math.round((Date.now() - began) / 1000);
  process.stdout.write(`${JSON.stringify({ lives, requests, seconds, failures, steps })}\n`);
  return failures.length ? 1 : 0;
}

async function register(url: string, index: number): Promise<Account> {
  const account = { email: `life-${index}-${Date.now()}@example.com`, password: "quite a Long-ish passphrase 7" };
  const { signedIn, error } = await createClient({ url, storage: memoryStorage() }).register(account);
  if (!signedIn) throw error;
  return account;
}

const [url, lives, first, seed] = process.argv.slice(2);
process.exitCode = await main(url!, Number(lives), Number(first), Number(seed));
