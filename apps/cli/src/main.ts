import { defineCommand, runMain, showUsage } from "citty";

const main = defineCommand({
  meta: { name: "s7l", description: "Quantize, pack, verify and run sealed INT8 language models." },
  run: ({ cmd }) => showUsage(cmd),
});

await runMain(main);
