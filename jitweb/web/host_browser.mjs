// The browser side of host.py: a module for the devices' page, in whose folders the bundle lies.

import { Host } from "./host.mjs";

const host = new Host();
const bundle = new URL("../bundle/", import.meta.url).href;

export function handle(request, arrays) {
  return host.handle(request.do === "load" ? { ...request, url: bundle } : request, arrays);
}
