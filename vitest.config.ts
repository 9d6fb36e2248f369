import { defineConfig } from "vitest/config";

// Tests import the workspace packages from source: each package's `exports` names `src` under this condition.
const conditions = ["@s7l/source", "module", "node", "import", "default"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["*.test.ts", "{packages,apps}/*/{src,test}/**/*.test.ts"],
    benchmark: { include: ["{packages,apps}/*/{src,bench}/**/*.bench.ts"] },
    // All cores: by default one is kept free, which on two of them doubles the time.
    maxWorkers: "100%",
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
