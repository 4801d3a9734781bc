// The browser side of host.py: a module for the devices' page, in whose folders the bundle lies.

import { Host } from "./host.mjs";

const host = new Host();
const bundle = new URL("../bundle/", import.meta.url).href;

export function handle(request, arrays) {
  if (request.do === "load") {
    request = { ...request, url: bundle, runtime: `${bundle}runtime.mjs` };
  }
  return host.handle(request, arrays);
}
