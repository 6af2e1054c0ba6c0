const $ = (id) => document.getElementById(id);

$("upload").onsubmit = async (e) => {
  e.preventDefault();
  const answer = await fetch("/upload", {
    method: "POST",
    body: new FormData(e.target),
  });
  $("uploaded").textContent = await answer.text();
};

new EventSource("/ticks").onmessage = (e) => {
  $("ticks").textContent += e.data + " ";
};

const socket = new WebSocket(location.href.replace(/^http/, "ws") + "chat");
socket.onopen = () => { $("state").textContent = "open"; };
socket.onmessage = (e) => { $("log").textContent += e.data + "\n"; };
$("chat").onsubmit = (e) => {
  e.preventDefault();
  socket.send(e.target.line.value);
  e.target.reset();
};
