//! Answers in a content coding, and what only looks like one.

use std::io::Write;

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};

use super::*;
use crate::{
    domain::{price::Price, route::Meter},
    meter::{Asked, Ways, format, test_price},
};

pub(super) fn price() -> Price {
    test_price::price(100_000, 1_000)
}

const EVENTS: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n\
                      data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":8}}\n\n";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(vec![], Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(vec![], Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// What the client gets, and what was taken.
fn read(coding: &str, options: &str, pieces: &[&[u8]]) -> (Vec<u8>, Taken) {
    let body = format!(r#"{{"model":"m","stream":true{options}}}"#);
    let asked = Asked::read(format(Meter::OpenaiChat).unwrap(), "/", body.into(), &|_| false).unwrap();
    let bound = asked.bound(&[&price()], Ways::default()).unwrap();
    let mut reading = Reading::new(bound, Some("text/event-stream"), Some(coding));
    let mut passed = vec![];
    for piece in pieces {
        passed.extend_from_slice(&reading.pass(Bytes::copy_from_slice(piece)));
        while reading.has_more() {
            passed.extend_from_slice(&reading.pass(Bytes::new()));
        }
    }
    passed.extend_from_slice(&reading.rest());
    (passed, reading.taken())
}

/// Every coding of the events.
fn all_coded() -> Vec<(&'static str, Vec<u8>)> {
    let events = EVENTS.as_bytes();
    let (head, tail) = events.split_at(20);
    vec![
        ("gzip", gzip(events)),
        ("x-gzip", gzip(events)),
        ("gzip, identity", gzip(events)),
        (" , GZIP", gzip(events)),
        ("gzip", [gzip(head), gzip(tail)].concat()),
        ("gzip, gzip", gzip(&gzip(events))),
        ("deflate, gzip", gzip(&zlib(events))),
        ("gzip, x-gzip, GZIP", gzip(&gzip(&gzip(events)))),
        // A proxy has undone one, or all but the first, and left the field.
        ("gzip, gzip", gzip(events)),
        ("gzip, deflate", gzip(events)),
        ("deflate", zlib(events)),
        ("deflate", deflate(events)),
    ]
}

const ASKED: &str = r#","stream_options":{"include_usage":true}"#;

#[test]
fn what_can_be_decoded_is_counted_and_passes_as_it_is_where_nothing_is_to_be_changed() {
    for (coding, coded) in all_coded() {
        for at in 0..=coded.len() {
            let (head, tail) = coded.split_at(at);
            let (passed, taken) = read(coding, ASKED, &[head, tail]);
            assert_eq!(passed, coded, "{coding} cut at {at}");
            let counts = (taken.usage.input_tokens, taken.usage.output_tokens, taken.estimated);
            assert_eq!(counts, (9, 8, false), "{coding} cut at {at}");
        }
    }
}

#[test]
fn what_must_be_changed_passes_decoded() {
    let (first, _) = EVENTS.split_once("\n\n").unwrap();
    for (coding, coded) in all_coded() {
        for at in 0..=coded.len() {
            let (head, tail) = coded.split_at(at);
            let (passed, taken) = read(coding, "", &[head, tail]);
            assert_eq!(passed, format!("{first}\n\n").as_bytes(), "{coding} cut at {at}");
            assert_eq!((taken.usage.output_tokens, taken.estimated), (8, false), "{coding} cut at {at}");
        }
    }
    let bound = || {
        let asked = Asked::read(format(Meter::OpenaiChat).unwrap(), "/", r#"{"model":"fast"}"#.into(), &|_| false);
        asked.unwrap().bound(&[&price()], Ways { model: Some("m"), ..Ways::default() }).unwrap()
    };
    let whole = gzip(br#"{"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":8}}"#);
    let mut reading = Reading::new(bound(), Some("application/json"), Some("gzip"));
    assert!(reading.decodes() && reading.alters());
    let passed = [reading.pass(whole.into()), reading.rest()].concat();
    assert_eq!(passed, br#"{"model":"fast","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":8}}"#);
    assert!(!reading.is_broken());
}

#[test]
fn what_was_to_be_decoded_and_cannot_be_is_cut() {
    let bound = || {
        let asked =
            Asked::read(format(Meter::OpenaiChat).unwrap(), "/", r#"{"model":"m","stream":true}"#.into(), &|_| false);
        asked.unwrap().bound(&[&price()], Ways::default()).unwrap()
    };
    let coded = gzip(EVENTS.as_bytes());
    let mut broken = coded.clone();
    let end = broken.len() - 30;
    broken[end..].fill(0xff);
    let short = &coded[..coded.len() - 9];
    for text in [&broken[..], short] {
        let mut reading = Reading::new(bound(), Some("text/event-stream"), Some("gzip"));
        drop((reading.pass(Bytes::copy_from_slice(text)), reading.rest()));
        assert!(reading.is_broken());
    }
}

#[test]
fn a_few_bytes_that_decode_to_many_are_looked_into_in_turns() {
    let word = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let text = [word.repeat(100_000), EVENTS.to_owned()].concat();
    let members: Vec<u8> = std::iter::repeat_n(gzip(word.as_bytes()), 1_000).flatten().collect();
    for coded in [
        gzip(text.as_bytes()),
        zlib(text.as_bytes()),
        gzip(&gzip(text.as_bytes())),
        [members, gzip(EVENTS.as_bytes())].concat(),
    ] {
        let coding = if coded.starts_with(&[0x1f]) { "gzip, gzip" } else { "deflate" };
        let asked =
            Asked::read(format(Meter::OpenaiChat).unwrap(), "/", r#"{"model":"m","stream":true}"#.into(), &|_| false);
        let bound = asked.unwrap().bound(&[&price()], Ways::default()).unwrap();
        let mut reading = Reading::new(bound, Some("text/event-stream"), Some(coding));
        let mut turns = vec![reading.pass(coded.into())];
        while reading.has_more() {
            turns.push(reading.pass(Bytes::new()));
        }
        assert!(turns.len() > 10 && turns.iter().all(|turn| turn.len() <= (64 << 10) + word.len()), "{}", turns.len());
        let taken = reading.taken();
        assert_eq!((taken.usage.output_tokens, taken.estimated), (8, false));
    }
}

#[test]
fn what_only_its_field_calls_coded_is_read_as_it_is() {
    let (first, _) = EVENTS.split_once("\n\n").unwrap();
    for coding in ["gzip", "deflate", "none", "UTF-8", "", "identity", " , identity ,"] {
        for at in 0..=EVENTS.len() {
            let (head, tail) = EVENTS.as_bytes().split_at(at);
            let (passed, taken) = read(coding, "", &[head, tail]);
            assert_eq!(passed, format!("{first}\n\n").as_bytes(), "{coding} cut at {at}");
            assert_eq!((taken.usage.output_tokens, taken.estimated), (8, false), "{coding} cut at {at}");
        }
    }
    assert_eq!(read("gzip", "", &[b"{"]).0, b"{");
}

#[test]
fn what_cannot_be_decoded_counts_by_its_bytes_and_is_never_free() {
    let mut broken = gzip(EVENTS.as_bytes());
    let end = broken.len() - 30;
    broken[end..].fill(0xff);
    let bomb = gzip(&vec![b'a'; 3 << 20]);
    let nested = (0..4).fold(EVENTS.as_bytes().to_vec(), |text, _| gzip(&text));
    let broken_within = gzip(&broken);
    for (coding, coded) in [
        ("gzip", &broken),
        ("gzip", &bomb),
        ("br", &nested),
        ("gzip, br", &nested),
        ("gzip, gzip", &broken_within),
        ("gzip, gzip, gzip, gzip", &nested),
    ] {
        let (passed, taken) = read(coding, ASKED, &[coded]);
        assert_eq!(&passed, coded);
        assert!(taken.estimated && !taken.failed && taken.usage.output_tokens > 0, "{coding}: {taken:?}");
    }
}
