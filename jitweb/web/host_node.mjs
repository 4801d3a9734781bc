// The Node side of host.py: node host_node.mjs CHANNEL, the path of the devices' channel.mjs.

import { Host } from "./host.mjs";

const { Channel } = await import(process.argv[2]);
const channel = new Channel(), host = new Host();
console.log = console.error; // standard output is the channel's
for (;;) {
  const { arrays, ...request } = channel.receive();
  try {
    channel.send(...(await host.handle(request, arrays)));
  } catch (error) {
    channel.send({ error: "failed", message: `${error.message ?? error}` });
  }
}
