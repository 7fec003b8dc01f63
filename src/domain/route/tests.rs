use super::*;

fn route(name: &str, path: &str, matching: PathMatch, methods: &[&str]) -> Route {
    Route {
        name: name.into(),
        path: path.into(),
        matching,
        methods: methods.iter().map(ToString::to_string).collect(),
        only: Only::default(),
        roles: Role::ALL.to_vec(),
        aims: [Aim::only("up".into())].into(),
        retry: std::sync::Arc::default(),
        strip_prefix: false,
        weight: 1,
        durability: None,
        bodies: None,
        meter: Meter::None,
        metering: Metering::default(),
        models: Allowed::default(),
        importance: crate::domain::importance::Importance::default(),
        websocket: false,
        identity: false,
        caching: None,
    }
}

/// A route with everything as simple as it can be.
pub fn test_route(name: &str) -> Route {
    route(name, "/", PathMatch::Exact, &["POST"])
}

#[test]
fn the_paths_of_a_route_are_one_template() {
    for (path, matching, template) in [
        ("/v1/chat/completions", PathMatch::Exact, "/v1/chat/completions"),
        ("/echo", PathMatch::Prefix, "/echo/{*path}"),
        ("/echo/", PathMatch::Prefix, "/echo/{*path}"),
        ("/", PathMatch::Prefix, "/{*path}"),
    ] {
        assert_eq!(route("any", path, matching, &["GET"]).template(), template);
    }
}

fn name(found: &Found) -> &str {
    match found {
        Found::Route(route) => &route.name,
        Found::OtherMethods(_) => "405",
        Found::Ambiguous => "400",
        Found::Nothing => "404",
    }
}

#[test]
fn the_most_specific_route_answers_and_no_other() {
    let table = RouteTable::new(vec![
        route("echo", "/echo", PathMatch::Prefix, &["GET", "POST"]),
        route("deep", "/echo/deep", PathMatch::Prefix, &["GET"]),
        route("exact", "/echo/deep", PathMatch::Exact, &["PUT"]),
        route("exact-get", "/echo/deep", PathMatch::Exact, &["GET"]),
    ]);
    for (method, path, expected) in [
        ("GET", "/echo", "echo"),
        ("GET", "/echo/", "echo"),
        ("GET", "/echo/a/b", "echo"),
        ("GET", "/echoes", "404"),
        ("GET", "/Echo", "404"),
        ("GET", "/%65cho", "404"),
        ("GET", "/echo/deep", "exact-get"),
        ("PUT", "/echo/deep", "exact"),
        ("POST", "/echo/deep", "405"),
        ("POST", "/echo/deep/x", "405"),
        ("GET", "/echo/deep/x", "deep"),
        ("get", "/echo", "405"),
        ("HEAD", "/echo", "echo"),
        ("HEAD", "/echo/deep", "exact-get"),
        ("HEAD", "/echo/deep/x", "deep"),
    ] {
        assert_eq!(name(&table.find(method, path)), expected, "{method} {path}");
    }
    let nearest = |method, path| table.nearest(method, path).map(|route| route.name.to_string());
    for (method, path, expected) in [
        ("GET", "/echo/deep", Some("exact-get")),
        ("POST", "/echo/deep", Some("exact")),
        ("POST", "/echo/deep/x", Some("deep")),
        ("PUT", "/echo", Some("echo")),
        ("GET", "/echoes", None),
    ] {
        assert_eq!(nearest(method, path).as_deref(), expected, "{method} {path}");
    }
}

#[test]
fn a_stricter_route_cannot_be_reached_by_another_form_of_its_path() {
    let table = RouteTable::new(vec![
        route("api", "/api", PathMatch::Prefix, &["GET"]),
        route("admin", "/api/s/admin", PathMatch::Prefix, &["GET"]),
        route("Exact", "/api/Keys", PathMatch::Exact, &["GET"]),
        route("self", "/api", PathMatch::Exact, &["GET"]),
    ]);
    for (path, expected) in [
        ("/api/s/admin", "admin"),
        ("/api/s/admin/", "admin"),
        ("/api/s/admin/x;y", "admin"),
        ("/api/s/admin/X%20", "admin"),
        ("/api/s/admins", "api"),
        ("/api/s/ad;min", "api"),
        ("/api/S", "api"),
        ("/api/", "api"),
        ("/api", "self"),
        ("/api/Keys", "Exact"),
        ("/api/s/admin;x", "400"),
        ("/api/s/admin;x/y", "400"),
        ("/api/s/admin%3b", "400"),
        ("/api/s/admin%3Bx=1/y", "400"),
        ("/api/s/ADMIN", "400"),
        ("/api/S/admin/x", "400"),
        ("/api/s;v=1/admin", "400"),
        ("/api/s./admin", "400"),
        ("/api/s/admin%20/x", "400"),
        ("/api/keys", "400"),
        ("/api/Keys/", "400"),
        ("/api/Keys;x", "400"),
        ("/API/s/admin", "404"),
    ] {
        assert_eq!(name(&table.find("GET", path)), expected, "{path}");
    }
}

#[test]
fn no_route_is_left_by_another_form_of_a_path() {
    let mut stripped = route("svc", "/svc", PathMatch::Prefix, &["GET"]);
    stripped.strip_prefix = true;
    let table = RouteTable::new(vec![
        route("p", "/p", PathMatch::Prefix, &["GET"]),
        route("admin", "/p/admin", PathMatch::Prefix, &["GET"]),
        route("login", "/p/login.php", PathMatch::Exact, &["GET"]),
        route("keys", "/p/keys.json", PathMatch::Exact, &["GET"]),
        route("app", "/p/app.php", PathMatch::Prefix, &["GET"]),
        route("home", "/p/app.php", PathMatch::Exact, &["GET"]),
        stripped,
    ]);
    for (path, expected) in [
        // Dot segments, from one route out to none, to another one and back.
        ("/p/%EF%BC%8E%EF%BC%8E/secret", "400"),
        ("/p/%E2%80%A5/secret", "400"),
        ("/p/x%EF%BC%8F%EF%BC%8E%EF%BC%8E%EF%BC%8F%EF%BC%8E%EF%BC%8E%EF%BC%8Fsecret", "400"),
        ("/p/..::$DATA/secret", "400"),
        ("/svc/%E2%80%A5/secret", "400"),
        ("/svc/%E2%80%A5/svc/x", "400"),
        // What ASP.NET cuts out of the text, with and without the slash before it.
        ("/p/(S(x))/adm/(S(x))in", "400"),
        ("/p/ad/(S(x))min", "400"),
        ("/p/adm(S(x))in", "400"),
        ("/p/(S(x))admin", "400"),
        ("/p/(S(x))/admin", "400"),
        ("/p(S(x))/admin", "404"),
        ("/p/x/(S(x))y", "p"),
        ("/p/Users(1)/f(x)", "p"),
        // Full-width percent signs, Java's i, dots of other scripts, bytes that are no UTF-8.
        ("/p/%EF%BC%8561dmin", "400"),
        ("/p/adm%C4%B0n", "400"),
        ("/p/login%E3%80%82php", "400"),
        ("/p/ad%80min", "400"),
        ("/p/admin%FF", "400"),
        ("/p/%E4%F6%FC", "p"),
        ("/p/50%EF%BC%85", "p"),
        // What stands behind a program.
        ("/p/login.php", "login"),
        ("/p/login.php/x", "400"),
        ("/p/LOGIN.php/x/y", "400"),
        ("/p/login.php;a/x", "400"),
        ("/p/login.phps/x", "p"),
        ("/p/keys.json/x", "p"),
        ("/p/app.php", "home"),
        ("/p/app.php/x", "app"),
    ] {
        assert_eq!(name(&table.find("GET", path)), expected, "{path}");
    }
    let all = RouteTable::new(vec![route("all", "/", PathMatch::Prefix, &["GET"])]);
    for (path, expected) in [("/", "all"), ("/x;y/", "all"), ("/%20", "all"), ("/%E2%80%A5/x", "400")] {
        assert_eq!(name(&all.find("GET", path)), expected, "{path}");
    }
}

/// A reader that is as lenient as one can be, written without the rule above.
fn as_read_leniently(path: &str) -> String {
    let mut text = path.to_ascii_lowercase().replace("%3b", ";").replace("%20", " ");
    while let Some(at) = text.find(';') {
        let end = text.split_at(at).1.find('/').map_or(text.len(), |length| at + length);
        text.replace_range(at..end, "");
    }
    for end in [" /", "./"] {
        while text.contains(end) {
            text = text.replace(" /", "/").replace("./", "/");
        }
    }
    text.trim_end_matches([' ', '.', '/']).to_owned()
}

proptest::proptest! {
    #[test]
    fn a_path_is_refused_or_decided_as_every_reader_reads_it(
        parts in proptest::collection::vec(
            proptest::sample::select(vec!["/", "/api", "/s", "/admin", "/Admin", "s", "x", ";", ";x=1", "%3b", "%20", ".", "%C3%A4"]),
            0..9,
        )
    ) {
        let path = format!("/api{}", parts.concat());
        let table = RouteTable::new(vec![
            route("lax", "/api", PathMatch::Prefix, &["GET"]),
            route("strict", "/api/s/admin", PathMatch::Prefix, &["GET"]),
        ]);
        if super::super::path::check(&path).is_ok() && let Found::Route(route) = table.find("GET", &path) {
            let base = &*route.path;
            let is_below = path == base || path.starts_with(&format!("{base}/"));
            proptest::prop_assert!(is_below, "{path} is forwarded by {}", route.name);
            let read = as_read_leniently(&path);
            let is_strict = read == "/api/s/admin" || read.starts_with("/api/s/admin/");
            proptest::prop_assert_eq!(is_strict, &*route.name == "strict", "{} is read as {}", path, read);
        }
    }
}

#[test]
fn a_stripped_prefix_leaves_a_path_that_starts_with_a_slash() {
    let mut echo = route("echo", "/echo/", PathMatch::Prefix, &["GET"]);
    echo.strip_prefix = true;
    assert_eq!(echo.forwarded_path("/echo"), "");
    assert_eq!(echo.forwarded_path("/echo/"), "/");
    assert_eq!(echo.forwarded_path("/echo/a%20b/"), "/a%20b/");
}

/// RFC 9110 §9.1.
#[test]
fn head_is_taken_where_get_is_unless_another_route_lists_it() {
    let table = RouteTable::new(vec![
        route("get", "/a", PathMatch::Exact, &["GET"]),
        route("head", "/a", PathMatch::Exact, &["HEAD", "PUT"]),
        route("post", "/b", PathMatch::Exact, &["POST"]),
        route("reads", "/c", PathMatch::Exact, &["GET"]),
        route("writes", "/c", PathMatch::Exact, &["POST"]),
    ]);
    let siblings = |path: &str| {
        let Found::Route(found) = table.find("HEAD", path) else { return vec![] };
        table.siblings(&found, "HEAD").map(|route| route.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!((siblings("/a"), siblings("/c")), (vec!["head".to_owned()], vec!["reads".to_owned()]));
    assert_eq!(table.find("HEAD", "/b"), Found::OtherMethods(vec!["POST".into()]));
    let Found::OtherMethods(mut methods) = table.find("PATCH", "/c") else { panic!("it was found") };
    methods.sort_unstable();
    assert_eq!(methods, ["GET", "HEAD", "POST"]);
}

#[test]
fn a_meter_is_told_by_the_name_that_a_configuration_has_for_it() {
    for meter in Meter::OF_MODELS.into_iter().chain([Meter::None]) {
        assert_eq!(serde_json::to_value(meter).unwrap(), meter.as_str());
    }
}
