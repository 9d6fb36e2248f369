import { defineConfig } from "vitest/config";

// Tests import the workspace packages from source: each package's `exports` names `src` under this condition.
const conditions = ["@s7l/source", "module", "node", "import", "default"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["*.test.ts", "{packages,apps}/*/{src,test}/**/*.test.ts"],
    benchmark: { include: ["{packages,apps}/*/{src,bench}/**/*.bench.ts"] },
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
