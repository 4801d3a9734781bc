// Runs a module for node.py: node node_program.mjs MODULE ADDRESSES.
//
// MODULE is the address of a module that exports handle(request, arrays, addressOf), which returns
// [answer, arrays] or a promise of it; ADDRESSES are those of folders by name, as JSON. Requests are
// read from standard input, answers written to standard output.

import { Channel, failure } from "./channel.mjs";

const [module, addresses] = process.argv.slice(2);
const channel = new Channel();
const addressOf = (name) => JSON.parse(addresses)[name];
console.log = console.error; // the channel uses standard output
const { handle } = await import(module);
for (;;) {
  const { arrays, ...request } = channel.receive();
  try {
    channel.send(...(await handle(request, arrays, addressOf)));
  } catch (error) {
    channel.send(failure(error));
  }
}
