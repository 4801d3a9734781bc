// Prints the SPIR-V that Dawn's compiler, tint, makes of WGSL compute shaders, as assembly.
//
//     node spirv.mjs PACKAGE checked|unchecked SHADERS.json
//
// PACKAGE is the file index.js of the npm package webgpu; SHADERS.json a list of code and
// entry point. Dawn itself prints the assembly, on the standard output; a line of DONE and a number
// ends each shader's. It needs a Vulkan driver that Dawn takes, which VK_ICD_FILENAMES names.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [file, bounds, shaders] = process.argv.slice(2);
const { create, globals } = await import(pathToFileURL(file));
Object.assign(globalThis, globals);
const toggles = bounds === "checked" ? "dump_shaders" : "dump_shaders,disable_robustness";
const gpu = create(["backend=vulkan", `enable-dawn-features=${toggles}`]);
const adapter = await gpu.requestAdapter();
if (adapter === null) throw new Error("Dawn takes no Vulkan driver here");
const wanted = ["shader-f16", "subgroups"].filter((name) => adapter.features.has(name));
const { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup } = adapter.limits;
const device = await adapter.requestDevice({
  requiredFeatures: wanted,
  requiredLimits: { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup },
});
for (const [number, { code, entry }] of JSON.parse(readFileSync(shaders, "utf8")).entries()) {
  const module = device.createShaderModule({ code });
  for (const { type, message, lineNum } of (await module.getCompilationInfo()).messages) {
    if (type === "error") throw new Error(`line ${lineNum}: ${message}`);
  }
  await device.createComputePipelineAsync({
    layout: "auto",
    compute: { module, entryPoint: entry },
  });
  console.log(`\nDONE ${number}`);
}
process.exit(0); // Dawn keeps the process alive
