// The browser's end of page.py: takes requests from a WebSocket and answers them.
//
// The module in the address handles them: it exports handle(request, arrays, addressOf), which returns
// [answer, arrays] or a promise of it. message.py describes the messages; answers are sent in parts
// that are short enough for page_connection.py.

const parameters = new URLSearchParams(location.search);

function parse(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const message = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  // Copies: typed arrays over them must be aligned.
  const arrays = (message.sizes ?? []).map((size) => new Uint8Array(buffer.slice(at, (at += size))));
  return [message, arrays];
}

const CHUNK_BYTES = 1 << 20;
const MOST_MESSAGE = 4000; // characters

function send(answer, arrays) {
  const sizes = arrays.map((array) => array.byteLength);
  const text = new TextEncoder().encode(JSON.stringify({ ...answer, sizes }));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, text.length, true);
  const whole = new Blob([length, text, ...arrays]);
  for (let at = 0; at < whole.size; at += CHUNK_BYTES) socket.send(whole.slice(at, at + CHUNK_BYTES));
}

async function answer(handle, [request, arrays]) {
  try {
    return await handle(request, arrays);
  } catch (error) {
    const message = `${error.message ?? error}`.slice(0, MOST_MESSAGE);
    return [{ error: error.kind ?? "failed", message }];
  }
}

const addressOf = (name) => new URL(`../${name}/`, location.href).href;
const address = new URL("socket", location.href);
address.protocol = "ws:";
const socket = new WebSocket(address);
socket.binaryType = "arraybuffer";
const ENDED = 1000; // the server closes the socket only when it has ended itself
// opened.html shows that, or starts another worker.
socket.onclose = ({ code }) => postMessage(code === ENDED ? "ended" : "closed");
const loaded = import(new URL(parameters.get("module"), location.href)); // while it connects
socket.onmessage = async ({ data }) => {
  const handle = async (request, arrays) => (await loaded).handle(request, arrays, addressOf);
  const [request, arrays] = parse(data);
  const [result, results = []] = await answer(handle, [request, arrays]);
  send({ ...result, id: request.id }, results);
};
