// SPDX-License-Identifier: Apache-2.0
//
// function.js - a function on the Functions Framework that writes each event it gets as one JSON line to $RECEIVED.
import { appendFileSync } from 'node:fs';
import functions from '@google-cloud/functions-framework';

functions.cloudEvent('record', (event) => {
  const data = event.data;
  const shown = Buffer.isBuffer(data) || data instanceof Uint8Array ? { base64: Buffer.from(data).toString('base64') } : data;
  appendFileSync(process.env.RECEIVED, JSON.stringify({ ...event, data: shown, data_base64: undefined }) + '\n');
});
