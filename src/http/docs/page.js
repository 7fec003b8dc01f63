// Starts Swagger UI, lists the routes of this gateway, and filters both. Stands behind the library in the page's one script.
(() => {
  const has = (texts, phrase) => texts.join(" ").toLowerCase().includes(phrase);

  // What Swagger UI looks through by itself are the names of the tags alone.
  const opsFilter = (tags, phrase) => {
    const fits = (name, one) =>
      has([name, one.get("method"), one.get("path"), one.getIn(["operation", "summary"], "")], phrase);
    return tags
      .map((tag, name) => tag.set("operations", tag.get("operations").filter((one) => fits(name, one))))
      .filter((tag) => tag.get("operations").size > 0);
  };

  const ui = SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#ui",
    deepLinking: true,
    validatorUrl: null,
    filter: true,
    plugins: [() => ({ fn: { opsFilter } })],
  });

  const rows = document.getElementById("routes");
  const note = document.getElementById("note");
  const cell = (text) => {
    const made = document.createElement("td");
    made.textContent = text;
    return made;
  };
  const row = ({ methods, path, match, format }) => {
    const made = document.createElement("tr");
    const place = match === "prefix" ? `${path} and below` : path;
    made.append(cell(methods.join(", ")), cell(place), cell(format ?? ""));
    return made;
  };

  const search = document.getElementById("filter");
  const filter = () => {
    const phrase = search.value.trim().toLowerCase();
    ui.layoutActions.updateFilter(phrase || true);
    for (const one of rows.children) one.hidden = !has([one.textContent], phrase);
  };
  search.addEventListener("input", filter);

  // The page itself was opened with a credential that its own requests do not have.
  const tellThatItIsNotPublic = () => {
    document.getElementById("ui").hidden = true;
    note.textContent =
      "This gateway answers the documentation only to calls with a credential (docs.public = false), and a page in a " +
      "browser has none. Read the document with one: curl -H 'Authorization: Bearer KEY' " +
      `${location.origin}/openapi.json (the routes: ${location.origin}/docs/routes), or set docs.public = true.`;
  };

  const list = async () => {
    const answer = await fetch("/docs/routes");
    if (answer.status === 401) return tellThatItIsNotPublic();
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const { items } = await answer.json();
    rows.replaceChildren(...items.map(row));
    note.textContent = items.length === 0 ? "This gateway has no routes." : "";
    filter();
  };
  list().catch((error) => {
    note.textContent = `The routes could not be read (${error.message}). Load the page again.`;
  });
})();
