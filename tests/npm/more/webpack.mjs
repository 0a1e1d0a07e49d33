// Builds src/NAME.js into out/NAME/main.js: node webpack.mjs NAME
import { resolve } from "node:path";
import webpack from "webpack";

const name = process.argv[2];
const compiler = webpack({
  mode: "production",
  entry: { main: `./src/${name}.js` },
  output: { path: resolve("out", name), filename: "[name].js" },
  performance: { hints: false },
});
compiler.run((error, stats) => {
  console.log(error ?? stats.toString({ modules: false }));
  process.exitCode = error || stats.hasErrors() || stats.hasWarnings() ? 1 : 0;
});
