export default { optimizeDeps: { exclude: ["longhaul"] } };
