// Builds the widget: src/ and locales/ → ../server/static/widget/v1/, and the manifest of both sides.
// The same sources with the same lockfile give the same bytes, wherever they are built.

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const STATIC = process.argv[2] ?? join(HERE, "../server/static/widget");
const OUT = join(STATIC, "v1");
const BUNDLED = ["lit", "lit-html", "lit-element", "@lit/reactive-element", "marked", "katex"];

/** `x.css` is its minified text, for a constructed style sheet; KaTeX's loses its @font-face rules. */
const css = {
  name: "css",
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const source = (await readFile(path, "utf8")).replace(/@font-face\s*\{[^}]*\}/g, "");
      const { code } = await esbuild.transform(source, { loader: "css", minify: true, target: "es2022" });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

/** `x.json?url` is the address of a file of its own. */
const addresses = {
  name: "addresses",
  setup(build) {
    build.onResolve({ filter: /\?url$/ }, ({ path, resolveDir }) => ({
      // Relative, as the names of chunks depend on it.
      path: path.startsWith(".")
        ? relative(HERE, join(resolveDir, path.slice(0, -4)))
        : join("node_modules", path.slice(0, -4)),
      namespace: "address",
    }));
    build.onLoad({ filter: /.*/, namespace: "address" }, async ({ path }) => {
      const bytes = await readFile(join(HERE, path));
      return { contents: path.endsWith(".json") ? JSON.stringify(JSON.parse(bytes)) : bytes, loader: "file" };
    });
  },
};

await rm(OUT, { recursive: true, force: true });
await mkdir(OUT, { recursive: true });
await esbuild.build({
  absWorkingDir: HERE,
  // The names of chunks depend on the places of files: a link to node_modules must not change them.
  preserveSymlinks: true,
  entryPoints: { "senmon-chat": "src/main.ts" },
  outdir: OUT,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  charset: "utf8",
  entryNames: "[name]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".woff2": "file" },
  plugins: [addresses, css],
  logLevel: "warning",
});

await writeFile(join(OUT, "THIRD_PARTY_NOTICES.txt"), await notices());
const sources = [
  ...["package.json", "package-lock.json", "build.mjs", "tsconfig.json"].map((name) => join(HERE, name)),
  ...(await files(join(HERE, "src"))),
  ...(await files(join(HERE, "locales"))),
];
const manifest = {
  sources: await digests(sources, HERE),
  outputs: await digests(await files(OUT), OUT),
};
await writeFile(join(STATIC, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);

async function files(folder) {
  const found = await readdir(folder, { withFileTypes: true, recursive: true });
  return found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

async function digests(paths, base) {
  const named = paths.map((path) => [relative(base, path).replaceAll("\\", "/"), path]);
  named.sort(([a], [b]) => (a < b ? -1 : 1));
  const each = named.map(async ([name, path]) => [
    name,
    createHash("sha256").update(await readFile(path)).digest("hex"),
  ]);
  return Object.fromEntries(await Promise.all(each));
}

/** The licences of what is bundled. KaTeX's fonts come with KaTeX, under the same licence. */
async function notices() {
  const parts = ["senmon-chat contains the following works.\n"];
  for (const name of BUNDLED) {
    const folder = join(HERE, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    const text = (await readFile(join(folder, file), "utf8")).trim();
    parts.push(`${"-".repeat(78)}\n${name} ${version} (${license})\n\n${text}\n`);
  }
  return parts.join("\n");
}
