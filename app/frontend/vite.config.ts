import { dirname, relative, resolve } from "node:path";
import { env } from "node:process";

import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const here = import.meta.dirname;
const backend = env.BACKEND_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  build: {
    // Every asset is a file of this origin, so `default-src 'self'` is policy enough.
    assetsInlineLimit: 0,
    sourcemap: true,
    rolldownOptions: {
      output: {
        // Sources are named from this folder, wherever it and the output are:
        // the same tree gives the same bytes.
        sourcemapPathTransform: (source, map) =>
          relative(here, resolve(dirname(map), source)),
      },
    },
  },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/healthz", "/readyz", "/version"].map((path) => [
        path,
        backend,
      ]),
    ),
  },
});
