// The Node tus server as its readme starts it, on a free port of the loopback interface.
import { FileStore } from "@tus/file-store";
import { Server } from "@tus/server";

const [directory] = process.argv.slice(2);
const server = new Server({ path: "/files", datastore: new FileStore({ directory }) });
const listener = server.listen({ host: "127.0.0.1", port: 0 });
listener.on("listening", () => {
  console.log(`listening on http://127.0.0.1:${listener.address().port}`);
});
