// The browser's end of page.py: takes requests from a WebSocket and answers them.
//
// What is done with them is up to the module that the address names: it exports
// handle(request, arrays, addressOf), which gives [answer, arrays], or a promise of it. A message is what
// channel.mjs describes, in one frame: the length of the JSON, the JSON, the arrays.

const parameters = new URLSearchParams(location.search);

function parse(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const message = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  // Copies: typed arrays over them must be aligned.
  const arrays = (message.sizes ?? []).map((size) => new Uint8Array(buffer.slice(at, (at += size))));
  return [message, arrays];
}

function format(answer, arrays) {
  const sizes = arrays.map((array) => array.byteLength);
  const text = new TextEncoder().encode(JSON.stringify({ ...answer, sizes }));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, text.length, true);
  return new Blob([length, text, ...arrays]);
}

async function answer(handle, [request, arrays]) {
  try {
    return await handle(request, arrays);
  } catch (error) {
    return [{ error: error.kind ?? "failed", message: `${error.message ?? error}` }];
  }
}

const addressOf = (name) => new URL(`../${name}/`, location.href).href;
const address = new URL("socket", location.href);
address.protocol = "ws:";
const socket = new WebSocket(address);
socket.binaryType = "arraybuffer";
socket.onclose = () => postMessage("closed"); // opened.html starts another worker
const loaded = import(new URL(parameters.get("module"), location.href)); // while it connects
socket.onmessage = async ({ data }) => {
  const handle = async (request, arrays) => (await loaded).handle(request, arrays, addressOf);
  const [result, arrays = []] = await answer(handle, parse(data));
  socket.send(format(result, arrays));
};
