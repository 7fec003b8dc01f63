//! What the keys and tokens of well-known services look like.
//!
//! The shapes follow the rules that the scanners of leaked secrets publish (gitleaks, GitHub secret scanning, detect-secrets)
//! and the documentation of each service: how a key begins, and how long it is at least. A word that begins like a key and
//! is long enough is taken for one. Keys that are known by something else than their begin are those of [`marked`].

mod marked;

use std::{collections::HashMap, ops::RangeInclusive, sync::LazyLock};

use super::is_part_of_word;

/// How keys of one kind begin, and how many bytes they have in all.
struct Shape(&'static str, RangeInclusive<usize>);

/// No key is shorter, so shorter words are not looked at.
const LEAST_BYTES: usize = 16;

const ANY: usize = usize::MAX;

const SHAPES: &[Shape] = &[
    // Models: OpenAI and those that write keys alike (Anthropic, OpenRouter, DeepSeek, Langfuse), Hugging Face, Groq,
    // Perplexity, xAI, Replicate, NVIDIA, Cerebras, Fireworks, Tavily, Jina, LangSmith, Weights & Biases.
    Shape("sk-", 16..=ANY),
    Shape("sess-", 24..=ANY),
    Shape("hf_", 16..=ANY),
    Shape("api_org_", 20..=ANY),
    Shape("gsk_", 16..=ANY),
    Shape("pplx-", 16..=ANY),
    Shape("xai-", 16..=ANY),
    Shape("r8_", 16..=ANY),
    Shape("nvapi-", 16..=ANY),
    Shape("csk-", 16..=ANY),
    Shape("fw_", 20..=ANY),
    Shape("tvly-", 16..=ANY),
    Shape("jina_", 20..=ANY),
    Shape("lsv2_", 20..=ANY),
    Shape("wandb_v1_", 20..=ANY),
    // Amazon Bedrock, Google's of 2025, Together, Voyage, ElevenLabs, RunPod, Cursor, Anyscale.
    Shape("ABSK", 40..=ANY),
    Shape("bedrock-api-key-", 30..=ANY),
    Shape("AQ.Ab", 40..=ANY),
    Shape("tgp_v1_", 24..=ANY),
    Shape("pa-", 46..=46),
    Shape("sk_", 51..=51),
    Shape("rpa_", 40..=ANY),
    Shape("key_", 68..=68),
    Shape("esecret_", 20..=ANY),
    // Pinecone, E2B, Firecrawl.
    Shape("pcsk_", 20..=ANY),
    Shape("e2b_", 20..=ANY),
    Shape("fc-", 32..=ANY),
    // Code and packages: GitHub, GitLab, npm, PyPI, RubyGems, Docker Hub, Atlassian, Bitbucket, CircleCI, Vercel.
    Shape("ghp_", 16..=ANY),
    Shape("gho_", 16..=ANY),
    Shape("ghu_", 16..=ANY),
    Shape("ghs_", 16..=ANY),
    Shape("ghr_", 16..=ANY),
    Shape("github_pat_", 16..=ANY),
    Shape("glpat-", 16..=ANY),
    Shape("gldt-", 16..=ANY),
    Shape("glrt-", 16..=ANY),
    Shape("glptt-", 16..=ANY),
    Shape("glcbt-", 16..=ANY),
    Shape("glsoat-", 16..=ANY),
    Shape("npm_", 16..=ANY),
    Shape("pypi-", 16..=ANY),
    Shape("rubygems_", 20..=ANY),
    Shape("dckr_pat_", 16..=ANY),
    Shape("dckr_oat_", 16..=ANY),
    Shape("ATATT3", 32..=ANY),
    Shape("ATCTT3", 32..=ANY),
    Shape("ATBB", 32..=ANY),
    Shape("CCIPAT_", 20..=ANY),
    Shape("vcp_", 20..=ANY),
    Shape("vck_", 20..=ANY),
    Shape("vci_", 20..=ANY),
    Shape("vca_", 20..=ANY),
    Shape("vcr_", 20..=ANY),
    // More of GitLab, crates.io, Artifactory, Sonar, Netlify, Buildkite, Harness, Snyk, LaunchDarkly, Prefect, Infracost.
    Shape("glffct-", 16..=ANY),
    Shape("glft-", 16..=ANY),
    Shape("glimt-", 16..=ANY),
    Shape("glagent-", 16..=ANY),
    Shape("gloas-", 16..=ANY),
    Shape("cio", 35..=35),
    Shape("AKCp", 60..=ANY),
    Shape("cmVmd", 60..=ANY),
    Shape("sqp_", 40..=ANY),
    Shape("squ_", 40..=ANY),
    Shape("sqa_", 40..=ANY),
    Shape("nfp_", 36..=ANY),
    Shape("bkua_", 40..=ANY),
    Shape("pat.", 60..=ANY),
    Shape("sat.", 60..=ANY),
    Shape("snyk_", 40..=ANY),
    Shape("sdk-", 40..=40),
    Shape("mob-", 40..=40),
    Shape("api-", 40..=40),
    Shape("pnu_", 36..=ANY),
    Shape("pnb_", 36..=ANY),
    Shape("ico-", 34..=ANY),
    // Money: Stripe, Square, Shopify, Shippo, EasyPost, Flutterwave.
    Shape("sk_live_", 16..=ANY),
    Shape("sk_test_", 16..=ANY),
    Shape("rk_live_", 16..=ANY),
    Shape("rk_test_", 16..=ANY),
    Shape("whsec_", 16..=ANY),
    Shape("sq0atp-", 16..=ANY),
    Shape("sq0csp-", 16..=ANY),
    Shape("EAAA", 60..=ANY),
    Shape("shpat_", 16..=ANY),
    Shape("shpca_", 16..=ANY),
    Shape("shppa_", 16..=ANY),
    Shape("shpss_", 16..=ANY),
    Shape("shippo_live_", 20..=ANY),
    Shape("shippo_test_", 20..=ANY),
    Shape("EZAK", 54..=ANY),
    Shape("EZTK", 54..=ANY),
    Shape("FLWSECK", 20..=ANY),
    // Plaid, PayPal, Lob, Razorpay.
    Shape("access-production-", 40..=ANY),
    Shape("access-development-", 40..=ANY),
    Shape("access-sandbox-", 40..=ANY),
    Shape("access_token$production$", 40..=ANY),
    Shape("access_token$sandbox$", 40..=ANY),
    Shape("live_", 40..=40),
    Shape("rzp_live_", 20..=ANY),
    Shape("rzp_test_", 20..=ANY),
    // Messages: Slack, SendGrid, Twilio, Mailgun, Mailchimp, Brevo, MailerSend, Notion, Linear, Figma.
    Shape("xoxa-", 16..=ANY),
    Shape("xoxb-", 16..=ANY),
    Shape("xoxc-", 16..=ANY),
    Shape("xoxd-", 16..=ANY),
    Shape("xoxe-", 16..=ANY),
    Shape("xoxe.", 16..=ANY),
    Shape("xoxo-", 16..=ANY),
    Shape("xoxp-", 16..=ANY),
    Shape("xoxr-", 16..=ANY),
    Shape("xoxs-", 16..=ANY),
    Shape("xapp-", 16..=ANY),
    Shape("xwfp-", 16..=ANY),
    Shape("SG.", 16..=ANY),
    Shape("SK", 34..=34),
    Shape("key-", 36..=36),
    Shape("xkeysib-", 20..=ANY),
    Shape("xsmtpsib-", 20..=ANY),
    Shape("mlsn.", 20..=ANY),
    Shape("ntn_", 20..=ANY),
    Shape("secret_", 40..=ANY),
    Shape("EAA", 80..=ANY),
    Shape("lin_api_", 16..=ANY),
    Shape("lin_oauth_", 16..=ANY),
    Shape("figd_", 16..=ANY),
    // Resend, Typeform, HubSpot, Adafruit.
    Shape("re_", 34..=38),
    Shape("tfp_", 40..=ANY),
    Shape("pat-na", 40..=ANY),
    Shape("pat-eu", 40..=ANY),
    Shape("pat-ap", 40..=ANY),
    Shape("aio_", 30..=ANY),
    // Clouds and their tools: AWS, Google, Alibaba, DigitalOcean, Databricks, HashiCorp, Supabase, PlanetScale, Fly,
    // Tailscale, Doppler, Pulumi, Grafana, Sentry, New Relic, PostHog, Postman, Contentful, ReadMe, Sourcegraph, Airtable.
    Shape("AKIA", 20..=20),
    Shape("ASIA", 20..=20),
    Shape("ABIA", 20..=20),
    Shape("ACCA", 20..=20),
    Shape("AIza", 35..=45),
    Shape("GOCSPX-", 16..=ANY),
    Shape("ya29.", 16..=ANY),
    Shape("LTAI", 20..=30),
    Shape("dop_v1_", 16..=ANY),
    Shape("doo_v1_", 16..=ANY),
    Shape("dor_v1_", 16..=ANY),
    Shape("dapi", 36..=40),
    Shape("hvs.", 16..=ANY),
    Shape("hvb.", 16..=ANY),
    Shape("hvr.", 16..=ANY),
    Shape("atlasv1.", 20..=ANY),
    Shape("sbp_", 20..=ANY),
    Shape("sb_secret_", 20..=ANY),
    Shape("pscale_", 20..=ANY),
    Shape("fo1_", 20..=ANY),
    Shape("fm1r_", 20..=ANY),
    Shape("fm1a_", 20..=ANY),
    Shape("fm2_", 20..=ANY),
    Shape("HRKU-", 20..=ANY),
    Shape("tskey-", 16..=ANY),
    Shape("dp.pt.", 16..=ANY),
    Shape("dp.st.", 16..=ANY),
    Shape("dp.ct.", 16..=ANY),
    Shape("pul-", 40..=ANY),
    Shape("glsa_", 16..=ANY),
    Shape("glc_", 20..=ANY),
    Shape("sntrys_", 16..=ANY),
    Shape("sntryu_", 16..=ANY),
    Shape("NRAK-", 16..=ANY),
    Shape("NRII-", 16..=ANY),
    Shape("phx_", 20..=ANY),
    Shape("PMAK-", 16..=ANY),
    Shape("CFPAT-", 16..=ANY),
    Shape("rdme_", 20..=ANY),
    Shape("sgp_", 20..=ANY),
    Shape("ops_ey", 20..=ANY),
    Shape("AGE-SECRET-KEY-", 16..=ANY),
    // Cloudflare, Dynatrace, OpenShift, Airtable, Yandex, Tencent, Scaleway, Neon, Render.
    Shape("v1.0-", 100..=ANY),
    Shape("cfut_", 30..=ANY),
    Shape("cfat_", 30..=ANY),
    Shape("cfk_", 30..=ANY),
    Shape("dt0c01.", 30..=ANY),
    Shape("dt0s", 60..=ANY),
    Shape("sha256~", 40..=ANY),
    Shape("pat", 82..=82),
    Shape("AQVN", 38..=ANY),
    Shape("y0_", 40..=ANY),
    Shape("AKID", 30..=40),
    Shape("SCW", 20..=20),
    Shape("napi_", 40..=ANY),
    Shape("rnd_", 30..=40),
];

/// No more of a key is looked at: longer than the shortest of any kind, and than the longest of those that have a most.
const MOST_BYTES: usize = 160;

/// The shapes by the byte that they begin with, so that a text of beginnings costs no more than another one.
static BY_FIRST: LazyLock<HashMap<u8, Vec<&Shape>>> = LazyLock::new(|| {
    let mut by_first = HashMap::<u8, Vec<&Shape>>::new();
    for shape in SHAPES {
        if let Some(first) = shape.0.bytes().next() {
            by_first.entry(first).or_default().push(shape);
        }
    }
    by_first
});

/// What stands in keys beside the signs of words: base64's, and what parts of some are divided by.
pub(super) fn is_part_of_key(c: char) -> bool {
    is_part_of_word(c) || matches!(c, '+' | '/' | '=' | ',' | '~' | ':' | '$')
}

/// Whether a word is a key of a well-known service, or has one behind a dot, a hyphen or an underscore.
pub(super) fn has_foreign_key(word: &str) -> bool {
    if word.len() < LEAST_BYTES {
        return false;
    }
    let mut is_inside = false;
    word.char_indices().any(|(at, letter)| {
        let begins = !std::mem::replace(&mut is_inside, letter.is_ascii_alphanumeric());
        begins && word.get(at..).is_some_and(begins_with_key)
    }) || marked::is_inside(word)
}

/// Whether a key begins a text, which may go on behind it.
pub(super) fn begins_with_key(text: &str) -> bool {
    let shapes = text.bytes().next().and_then(|first| BY_FIRST.get(&first));
    let is_shaped = |Shape(prefix, bytes): &&Shape| {
        text.starts_with(prefix)
            && (bytes.contains(&length(text, is_part_of_word)) || bytes.contains(&length(text, is_part_of_key)))
    };
    shapes.is_some_and(|shapes| shapes.iter().any(is_shaped)) || marked::begins_with_key(text.as_bytes())
}

/// The bytes at the begin of a text that belong together, as far as that matters.
fn length(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.bytes().take(MOST_BYTES).take_while(|byte| belongs(char::from(*byte))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_well_known_services_are_recognised() {
        let rest = "0123456789abcdefABCDEF0123456789abcd";
        for prefix in [
            "hf_",
            "gsk_",
            "pplx-",
            "xai-",
            "r8_",
            "nvapi-",
            "npm_",
            "pypi-",
            "SG.",
            "dop_v1_",
            "shpat_",
            "ghu_",
            "ghr_",
            "ghp_",
            "gho_",
            "ghs_",
            "github_pat_",
            "xapp-1-",
            "xoxb-",
            "xoxp-",
            "xoxe.xoxp-",
            "ya29.",
            "AGE-SECRET-KEY-1",
            "glpat-",
            "sk-",
            "sk-ant-api03-",
            "sk-or-v1-",
            "sk_live_",
            "rk_live_",
            "whsec_",
            "hvs.",
            "dckr_pat_",
        ] {
            let key = format!("{prefix}{rest}");
            assert!(has_foreign_key(&key), "{key}");
            assert!(has_foreign_key(&format!("my-{key}")), "{key}");
        }
        for key in ["AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", "AIzaSyA0123456789abcdefghijklmnopqrstuv"] {
            assert!(has_foreign_key(key), "{key}");
        }
    }

    #[test]
    fn words_are_no_keys() {
        for word in [
            "",
            "sk-",
            "sk-learn",
            "task-force-of-the-year",
            "risk-assessment-2024",
            "0198c5a7-1111-7222-8333-444455556666",
            "AKIAIOSFODNN7EXAMPLETOOLONG",
            "documentation.html",
            "chat-completions-v1",
            "SKIPPED",
            "npm_install",
            "é-hf_é",
            "pat.example.com",
            "test_that_a_name_of_a_test_is_no_key",
            "api-gateway-with-a-long-name",
            "re_export_of_a_module",
            "d41d8cd98f00b204e9800998ecf8427e.html",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "1234567890:80",
            "0.1234567890123456.7",
        ] {
            assert!(!has_foreign_key(word), "{word}");
        }
    }

    #[test]
    fn a_text_of_beginnings_is_looked_at_once() {
        // Each of a kind that only the length decides: the shapes of one letter, and not more of them than there are.
        let most = BY_FIRST.values().map(Vec::len).max().unwrap();
        assert!(most < SHAPES.len() / 5, "{most} of {}", SHAPES.len());
        assert!(SHAPES.iter().all(|Shape(_, bytes)| *bytes.start() < MOST_BYTES));
        assert!(SHAPES.iter().all(|Shape(_, bytes)| *bytes.end() == ANY || *bytes.end() < MOST_BYTES));
    }
}
