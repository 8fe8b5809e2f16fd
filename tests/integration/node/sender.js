// SPDX-License-Identifier: Apache-2.0
//
// sender.js - posts events with the official CloudEvents SDK: node sender.js URL MODE < events (one JSON object a line).
// Prints one line an event: its id and the status that was answered.
import { createInterface } from 'node:readline';
import { CloudEvent, HTTP } from 'cloudevents';

const [url, mode] = process.argv.slice(2);
const write = { binary: HTTP.binary, structured: HTTP.structured }[mode];

for await (const line of createInterface({ input: process.stdin })) {
  const fields = JSON.parse(line);
  if (fields.data_base64) {
    fields.data = new Uint8Array(Buffer.from(fields.data_base64, 'base64'));
    delete fields.data_base64;
  }
  const message = write(new CloudEvent(fields));
  const answer = await fetch(url, { method: 'POST', headers: message.headers, body: message.body });
  await answer.arrayBuffer();
  console.log(`${fields.id} ${answer.status}`);
}
