export const metadata = { title: "Longhaul" };

export default function Layout({ children }) {
  return (
    <html lang="en">
      <head>
        {/* Before all others: it counts the workers' messages. */}
        <script src="/watch.js" />
      </head>
      <body>{children}</body>
    </html>
  );
}
