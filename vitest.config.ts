import { configDefaults, defineConfig } from "vitest/config";

// Tests import the workspace packages from source: each package's `exports` names `src` under this condition.
const conditions = ["@s7l/source", "module", "node", "import", "default"];

/** Tests that compute or start processes for seconds: in a process of their own, whose compiler has seen nothing else, each is twice as fast. */
const LONG = [
  "packages/runtime/src/{engine,reference}/**/*.test.ts",
  // One of these replaces a module, which must not be loaded already.
  "packages/verify/src/threads/*.test.ts",
  "{packages,apps}/*/test/**/*.test.ts",
];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    // All cores: by default one is kept free, which on two of them doubles the time.
    maxWorkers: "100%",
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "long",
          include: LONG,
          benchmark: { include: ["{packages,apps}/*/{src,bench}/**/*.bench.ts"] },
        },
      },
      {
        extends: true,
        test: {
          name: "short",
          include: ["*.test.ts", "{packages,apps}/*/src/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...LONG],
          benchmark: { include: [] },
          // To start a process and load the modules anew for each would take longer than these do.
          isolate: false,
        },
      },
    ],
  },
});
