// Puts the newest report in the place of the one that is shown, whenever there is one.
const events = new EventSource("events");
const said = () => document.getElementById("live");
events.onmessage = async () => {
  const answer = await fetch("", { cache: "no-store" });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const names = (details) => details.querySelector("summary").textContent.split(",")[0];
  const open = new Map([...document.querySelectorAll("details")].map((d) => [names(d), d.open]));
  for (const details of fresh.querySelectorAll("details")) {
    if (open.has(names(details))) details.open = open.get(names(details));
  }
  // The line that screen readers follow stays; what it says is new.
  const words = fresh.querySelector("h1").textContent.trim().replace(/\s+/g, " ");
  const line = said();
  fresh.getElementById("live").replaceWith(line);
  document.querySelector("main").replaceWith(fresh.querySelector("main"));
  document.title = fresh.title;
  line.textContent = `Live, updated at ${new Date().toLocaleTimeString()}: ${words}`;
};
events.onerror = () => {
  said().textContent = "Not connected: the watch has ended. This is the last report.";
};
