// Rendered on the server at each request: the element is in the page before any script of it has run.
import { Upload } from "./upload";

export default async function Page({ searchParams }) {
  const { server } = await searchParams;
  return (
    <main>
      <h1>Longhaul</h1>
      <Upload server={server} />
    </main>
  );
}
