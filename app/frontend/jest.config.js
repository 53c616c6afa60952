import process from "node:process";

// Times are shown in the reader's zone. In the tests that is always this one.
process.env.TZ = "UTC";

/** @type {import("jest").Config} */
export default {
  testEnvironment: "<rootDir>/jest.environment.js",
  setupFilesAfterEnv: ["<rootDir>/src/test/setup.ts"],
  roots: ["<rootDir>/src"],
  transform: {
    "\\.tsx?$": [
      "@swc/jest",
      {
        jsc: {
          target: "es2024",
          transform: { react: { runtime: "automatic" } },
        },
      },
    ],
  },
  collectCoverageFrom: [
    "src/**/*.{ts,tsx}",
    "!src/main.tsx",
    "!src/test/**",
    "!src/**/*.test.{ts,tsx}",
  ],
  // Inside the component, so that two runs on one machine share nothing.
  cacheDirectory: "<rootDir>/node_modules/.cache/jest",
  restoreMocks: true,
};
