use super::*;

#[test]
fn ordinary_paths_pass() {
    for path in [
        "/",
        "/a",
        "/a/",
        "/a/b.c",
        "/a%20b",
        "/%C3%A4",
        "/a;v=1",
        "/a,b",
        "/a:b@c",
        "/~me",
        "/%7Eme",
        "/...",
        "/.well-known/x",
        "/a+b",
        "/!$&'()*=",
        "/v1beta/models/gemini:generateContent",
        "/a|b^c",
        // Other letters of the world, and of Latin 1.
        "/%E0%A4%95/%F0%9F%98%80/%ED%9F%BF/%EF%BF%BD",
        "/%E4%F6%FC",
        "/sm%F8r/%F8%A5/%FC%DF",
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.x-v2%3A0/converse",
        "/model/arn:aws:bedrock:us-east-1:123456789012:application-inference-profile%2fab12/converse-stream",
    ] {
        assert_eq!(check(path), Ok(()), "{path}");
    }
}

/// As a lenient upstream may read `/s/admin`.
const TAKEN_FOR_ONE: [&str; 73] = [
    "/s/admin",
    "/s/Admin",
    "/S/ADMIN",
    "/s/admin;x",
    "/s/admin;x=1;y",
    "/s;v=2/admin",
    "/s/admin%3b",
    "/s/admin%3Bx=1",
    "/s/admin/",
    "/s/admin.",
    "/s/admin%20",
    "/s/admin;/",
    "/s/;/admin",
    "/s/;a=b/admin",
    "/s/%3b/admin",
    "/s/%20/;x/admin",
    "/s/%20admin",
    "/s/admin::$DATA",
    "/s/admin::$data;x",
    "/s/admin%3A%3A%24DATA",
    "/s/admin:$i30:$INDEX_ALLOCATION",
    "/s/admin.%20::$DATA",
    // Full-width letters, a letter that is bold, and one in a circle.
    "/s/%EF%BD%81dmin",
    "/s/%EF%BD%81%EF%BD%84%EF%BD%8D%EF%BD%89%EF%BD%8E",
    "/s/%EF%BC%A1dmin",
    "/s/%F0%9D%90%9Admin",
    "/s/%E2%93%90dmin",
    // Soft hyphen, zero width space, byte order mark, variation selector, a tag, Hangul filler.
    "/s/ad%C2%ADmin",
    "/s/%E2%80%8Badmin",
    "/s/admin%EF%BB%BF",
    "/s/adm%EF%B8%8Fin",
    "/s/admin%F3%A0%81%81",
    "/s/admin%E3%85%A4",
    // No-break and ideographic spaces, full stops of other scripts, a full-width semicolon.
    "/s/admin%C2%A0",
    "/s/%C2%A0admin",
    "/s/admin%E3%80%80",
    "/s/admin%E3%80%82",
    "/s/admin%EF%BC%8E",
    "/s/admin%EF%BD%A1%C2%A0",
    "/s/admin%EF%BC%9Bx",
    // Full-width slashes, backslashes and dots.
    "/s%EF%BC%8Fadmin",
    "/s%EF%BC%BCadmin",
    "/s/%EF%BC%8E/admin",
    // What an upstream that unescapes once more takes for the end of the path; full-width and small ones.
    "/s/admin%3f",
    "/s/admin%3Fx/y",
    "/s/admin%23x",
    "/s/admin;x%3Fy",
    "/s/admin%3F;x",
    "/s;%3f/admin",
    "/s/admin%EF%BC%9Fx",
    "/s/admin%EF%BC%83",
    "/s/admin%EF%B9%96",
    "/s/admin%EF%B9%9F",
    "/s/admin%E2%81%87",
    "/s/admin/%3f/x",
    // Sessions without cookies, of ASP.NET.
    "/s/(S(x))/admin",
    "/s/(A(x)S(y))/admin",
    "/(F(x))/s/admin/(s())",
    "/s/%28S%28x%29%29/admin",
    "/s/%EF%BC%88S(x))/admin",
    "/s/(S(x;y))/admin",
    "/s/(S(x/y))/admin",
    "/s/adm(S(x))in",
    "/s/ad(A(x)S(y))min",
    "/s(S(x))/admin",
    // Full-width and small percent signs, also before what they are themselves escaped by.
    "/s/%EF%BC%8561dmin",
    "/s/%EF%B9%AA61dmin",
    "/s/%EF%BC%852561dmin",
    "/s/%EF%BC%85EF%EF%BC%85BD%EF%BC%8581dmin",
    // A capital i with a dot, of which Java makes an i.
    "/s/adm%C4%B0n",
    // Bytes that are no UTF-8.
    "/s/ad%80min",
    "/s/admin%FF",
    "/s/a%E1dm%C3in",
];

#[test]
fn paths_that_a_lenient_upstream_takes_for_one_have_one_form() {
    for path in TAKEN_FOR_ONE {
        assert_eq!(check(path), Ok(()), "{path}");
        assert_eq!(folded(path), "/s/admin", "{path}");
    }
}

#[test]
fn the_form_of_a_path_has_what_no_upstream_leaves_out() {
    for (path, form) in [
        ("/", ""),
        ("/a.b", "/a.b"),
        ("/a-b_c~d", "/a-b_c~d"),
        ("/%C3%84", "/ä"),
        ("/a%CC%88", "/ä"),
        ("/%E2%84%AA", "/k"),
        ("/m:generateContent", "/m:generatecontent"),
        ("/a$b/c:d$e", "/a$b/c:d$e"),
        ("/Users(1)/(x)", "/users(1)/(x)"),
        ("/(S(x)/(S(x)y)/(ab(c))/()/((x))", "/(s(x)/(s(x)y)/(ab(c))/()/((x))"),
        ("/%D0%B0dmin", "/аdmin"),
        ("/login%E3%80%82php", "/login.php"),
        ("/login%EF%BD%A1php", "/login.php"),
        ("/50%EF%BC%85", "/50%"),
        ("/...", ""),
    ] {
        assert_eq!(folded(path), form, "{path}");
    }
}

#[test]
fn a_dot_segment_that_is_seen_only_in_a_form_leads_nowhere() {
    for path in [
        "/p/%EF%BC%8E%EF%BC%8E/x",
        "/p/%E2%80%A5/x",
        "/p/%E2%80%A5",
        "/p/%E3%80%82%E3%80%82/x",
        "/p/x%EF%BC%8F%EF%BC%8E%EF%BC%8E%EF%BC%8Fx",
        "/p/x%EF%BC%BC..%EF%BC%BCx",
        "/p/..%E2%80%8B/x",
        "/p/.%E2%80%8B./x",
        "/p/..%C2%AD/x",
        "/p/%C2%A0../x",
        "/p/..%20./x",
        "/p/%EF%BB%BF../x",
        "/p/..%FF/x",
        "/p/..%3f/x",
        "/p/..%23/x",
        "/p/..%EF%BC%9Bx/x",
        "/p/...%EF%BC%9Bx/x",
        "/p/%EF%BC%852e%EF%BC%852e/x",
        "/p/..:/x",
        "/p/..::$DATA/x",
        "/p/(S(x))../x",
    ] {
        assert_eq!(check(path), Ok(()), "{path}");
        assert!(!every_form(path, |_| true), "{path}");
    }
    for path in
        ["/p/.../x", "/p/..x", "/p/x..", "/p/%E2%80%A6", "/p/%E3%80%82/x", "/p/x%E3%80%82%E3%80%82", "/p/x%3F.."]
    {
        assert!(every_form(path, |_| true), "{path}");
    }
}

#[test]
fn a_path_has_as_many_forms_as_there_are_ways_to_join_its_segments() {
    for (path, expected) in [
        ("/p/x", &["/p/x"][..]),
        ("/P/x;y", &["/p/x"]),
        ("/ad/(S(x))/min", &["/ad/min"]),
        ("/adm(S(x))in", &["/admin"]),
        ("/ad/(S(x))min", &["/ad/min", "/admin"]),
        ("/(S(x))/adm/(S(x))in", &["/adm/in", "/admin"]),
        ("/a/(S(x))b/(S(y))c", &["/a/b/c", "/ab/c", "/a/bc", "/abc"]),
    ] {
        let mut forms = vec![];
        assert!(every_form(path, |form| {
            forms.push(form.to_owned());
            true
        }));
        assert_eq!(forms, expected, "{path}");
    }
    let mut asked = 0;
    let many = |number| "/a/(S(x))b".repeat(number);
    assert!(every_form(&many(4), |_| {
        asked += 1;
        true
    }));
    assert_eq!(asked, 16);
    assert!(!every_form(&many(5), |_| true));
}

#[test]
fn no_form_has_more_characters_than_its_path_has_bytes() {
    for c in '\u{80}'..='\u{ffff}' {
        let path = format!("/{}", percent::encoded(&c.to_string()));
        assert!(folded(&path).chars().count() <= path.len(), "{path}");
    }
}

#[test]
fn paths_that_two_readers_could_take_for_two_places_are_refused() {
    for (path, why) in [
        ("", UnsafePath::NotAbsolute),
        ("*", UnsafePath::NotAbsolute),
        ("//a", UnsafePath::EmptySegment),
        ("/a//b", UnsafePath::EmptySegment),
        ("/a/../b", UnsafePath::DotSegment),
        ("/..", UnsafePath::DotSegment),
        ("/./a", UnsafePath::DotSegment),
        ("/..;/a", UnsafePath::DotSegment),
        ("/..;x=1/a", UnsafePath::DotSegment),
        ("/..%3b/a", UnsafePath::DotSegment),
        ("/.%3B/a", UnsafePath::DotSegment),
        ("/..%20/a", UnsafePath::DotSegment),
        ("/%20./a", UnsafePath::DotSegment),
        ("/%20..%3bx/a", UnsafePath::DotSegment),
        ("/...;/a", UnsafePath::DotSegment),
        ("/%2e%2e/a", UnsafePath::DangerousEscape),
        ("/..%2fa", UnsafePath::DangerousEscape),
        ("/a/arm%3Ax%2Fb", UnsafePath::DangerousEscape),
        ("/Arn%3Ax%2Fb", UnsafePath::DangerousEscape),
        ("/arn%3Ax%2F..%2Fadmin", UnsafePath::DotSegment),
        ("/arn%3Ax%2F..;y%2Fadmin", UnsafePath::DotSegment),
        ("/arn%3A%2f%2Fadmin", UnsafePath::EmptySegment),
        ("/arn%3Ax%2F", UnsafePath::EmptySegment),
        ("/arn%3Ax%2F%2e%2e%2Fadmin", UnsafePath::DangerousEscape),
        ("/arn%3Ax%5Cadmin", UnsafePath::DangerousEscape),
        ("/arn%3Ax%252Fadmin", UnsafePath::DangerousEscape),
        ("/a%5cb", UnsafePath::DangerousEscape),
        ("/%252e%252e/a", UnsafePath::DangerousEscape),
        ("/a%00", UnsafePath::DangerousEscape),
        ("/a%0d%0ab", UnsafePath::DangerousEscape),
        ("/%61dmin", UnsafePath::NeedlessEscape),
        ("/%c0%afadmin", UnsafePath::OverlongEscape),
        ("/%c0%ae%c0%ae/a", UnsafePath::OverlongEscape),
        ("/%c1%a1dmin", UnsafePath::OverlongEscape),
        ("/a%C1", UnsafePath::OverlongEscape),
        ("/%e0%80%af", UnsafePath::OverlongEscape),
        ("/%e0%9f%bf", UnsafePath::OverlongEscape),
        ("/%F0%80%80%AF", UnsafePath::OverlongEscape),
        ("/%f0%8f%bf%bf", UnsafePath::OverlongEscape),
        ("/%f8%80%80%81%a1dmin", UnsafePath::OverlongEscape),
        ("/%F8%87%BF%BF%BF", UnsafePath::OverlongEscape),
        ("/%fc%80%80%80%81%a1dmin", UnsafePath::OverlongEscape),
        ("/%FC%83%BF%BF%BF%BF", UnsafePath::OverlongEscape),
        ("/a%", UnsafePath::BadEscape),
        ("/a%2", UnsafePath::BadEscape),
        ("/a%zz", UnsafePath::BadEscape),
        ("/a\\b", UnsafePath::RawCharacter),
        ("/a b", UnsafePath::RawCharacter),
        ("/ä", UnsafePath::RawCharacter),
        ("/a#b", UnsafePath::RawCharacter),
    ] {
        assert_eq!(check(path), Err(why), "{path}");
    }
}

#[test]
fn a_name_in_a_url_of_the_gateway_may_have_what_paths_may_not() {
    for (path, expected) in [
        ("/admin/teams/by-name/R%26D/Wien", Ok(())),
        ("/admin/teams/by-name/50%25", Ok(())),
        ("/admin/teams/by-name/a%5Cb", Ok(())),
        ("/admin/teams/by-name/a%2F%2fb%2F", Ok(())),
        ("/admin/teams/by-name/%2Fx", Ok(())),
        ("/admin/teams/by-name/%252F", Ok(())),
        ("/admin/users/by-name/ann/api-keys/by-name/50%25", Ok(())),
        ("/admin/models/team%2Fbest", Ok(())),
        ("/admin/models/50%25", Ok(())),
        ("/v1/models/team%2Fbest", Ok(())),
        ("/v1/models/..%2Fbest", Err(UnsafePath::DotSegment)),
        ("/v1/model/team%2Fbest", Err(UnsafePath::DangerousEscape)),
        ("/admin/models/..%2Fusers", Err(UnsafePath::DotSegment)),
        ("/admin/models/a%2F..", Err(UnsafePath::DotSegment)),
        ("/admin/models%2Fa", Err(UnsafePath::DangerousEscape)),
        ("/admin/teams/by-name/..", Err(UnsafePath::DotSegment)),
        ("/admin/teams/by-name/a%2F..%2Fb", Err(UnsafePath::DotSegment)),
        ("/admin/teams/by-name/..%5Cb", Err(UnsafePath::DotSegment)),
        ("/admin/teams/by-name/%2e%2e", Err(UnsafePath::DangerousEscape)),
        ("/admin/teams/by-name/a//b", Err(UnsafePath::EmptySegment)),
        ("/admin/teams/by-name/a%0Ab", Err(UnsafePath::DangerousEscape)),
        ("/admin/teams/by-name/%61", Err(UnsafePath::NeedlessEscape)),
        ("/admin/teams/50%25", Err(UnsafePath::DangerousEscape)),
        ("/admin%2Fx/by-name/a", Err(UnsafePath::DangerousEscape)),
    ] {
        assert_eq!(check_own(path), expected, "{path}");
    }
    for (name, can) in [
        ("50%", true),
        ("a\\b", true),
        ("a//b", true),
        ("/x/", true),
        ("%2F", true),
        ("...", true),
        ("R&D", true),
        ("..", false),
        (".", false),
        ("a/../b", false),
        ("..\\b", false),
    ] {
        assert_eq!(can_name(name), can, "{name}");
    }
}
