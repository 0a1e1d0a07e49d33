import "longhaul/upload";

const server = new URLSearchParams(location.search).get("server");
document.querySelector("longhaul-upload").setAttribute("endpoint", server);
