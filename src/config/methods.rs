//! Methods of routes that look mistyped. Any token is a method (RFC 9110 §9.1), so nothing is refused for it.

use super::{Config, words::nearest};
use crate::domain::method;

/// A warning for each method that is not registered and is like one that is.
#[must_use]
pub fn mistyped_methods(config: &Config) -> Vec<String> {
    let routes = config.routes.iter().enumerate();
    let methods = routes.flat_map(|(i, route)| route.methods.iter().map(move |method| (i, method.as_str())));
    let warning = |(i, method)| {
        let meant = nearest(method, method::known()).filter(|meant| *meant != method)?;
        Some(format!("routes[{i}].methods: {method:?} is no registered method (RFC 9110 §16.1); did you mean {meant}?"))
    };
    methods.filter_map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::load;

    fn told(method: &str) -> Vec<String> {
        let route = format!(
            "[[routes]]\nname = \"x\"\npath = \"/x\"\nmatch = \"exact\"\nmethods = [\"GET\", \"{method}\"]\nroles = [\"user\"]\n\
             upstream = \"builtin:echo\"\n"
        );
        mistyped_methods(&load(&route, &[]).unwrap())
    }

    #[test]
    fn a_method_that_is_like_a_registered_one_is_told_with_it() {
        for (method, meant) in
            [("GTE", "GET"), ("PSOT", "POST"), ("DELET", "DELETE"), ("PROFIND", "PROPFIND"), ("propfind", "PROPFIND")]
        {
            let told = told(method);
            let has = |word: &str| told[0].contains(word);
            assert!(told.len() == 1 && has(&format!("{method:?}")) && has(&format!("mean {meant}?")), "{told:?}");
        }
    }

    #[test]
    fn a_method_that_is_registered_or_like_none_is_not_told_of() {
        for method in ["DELETE", "PROPFIND", "M-SEARCH", "PURGE", "QUERY", "SUBSCRIBE", "UNSUBSCRIBE", "BAN", "X-OWN"] {
            assert_eq!(told(method), Vec::<String>::new(), "{method}");
        }
        assert_eq!(mistyped_methods(&Config::built_in().unwrap()), Vec::<String>::new());
    }
}
