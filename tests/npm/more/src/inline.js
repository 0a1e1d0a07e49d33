import "longhaul/inline/upload";

const element = document.createElement("longhaul-upload");
element.setAttribute("endpoint", new URLSearchParams(location.search).get("server"));
document.getElementById("app").append(element);
