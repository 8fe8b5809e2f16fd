// SPDX-License-Identifier: Apache-2.0
//
// webhook.js - a receiver of signed webhooks: node webhook.js PORT. Verifies with the Standard Webhooks library, each secret of $SECRETS
// (name=value, separated by spaces) by itself, and writes one JSON line a request to $RECEIVED: the id, the time, the attempt, and the names of
// the secrets that verify. Answers 401 when none does, 503 to the first $FAIL_FIRST requests that do, else 200. The names in $ACCEPT are
// those that count, if it is there.
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';

const secrets = process.env.SECRETS.split(' ').map((pair) => {
  const cut = pair.indexOf('=');
  return [pair.slice(0, cut), new Webhook(pair.slice(cut + 1))];
});
const counting = process.env.ACCEPT ? process.env.ACCEPT.split(' ') : secrets.map(([name]) => name);
let failures = Number(process.env.FAIL_FIRST ?? 0);

function verifies(webhook, body, headers) {
  try {
    webhook.verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

async function receive(request, response) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts);
  const verified = secrets.filter(([, webhook]) => verifies(webhook, body, request.headers)).map(([name]) => name);
  const good = verified.some((name) => counting.includes(name));
  const status = !good ? 401 : failures-- > 0 ? 503 : 200;
  appendFileSync(process.env.RECEIVED, JSON.stringify({
    id: request.headers['webhook-id'], time: Number(request.headers['webhook-timestamp']), attempt: request.headers['turnout-attempt'],
    key: request.headers['idempotency-key'], event: request.headers['ce-id'], verified, status,
  }) + '\n');
  response.writeHead(status).end();
}

createServer(receive).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'));
