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
    }
    passed.extend_from_slice(&reading.rest());
    (passed, reading.taken())
}

#[test]
fn what_can_be_decoded_is_counted_and_passes_as_it_is() {
    let events = EVENTS.as_bytes();
    let (head, tail) = events.split_at(20);
    for (coding, coded) in [
        ("gzip", gzip(events)),
        ("x-gzip", gzip(events)),
        ("gzip, identity", gzip(events)),
        (" , GZIP", gzip(events)),
        ("gzip", [gzip(head), gzip(tail)].concat()),
        ("deflate", zlib(events)),
        ("deflate", deflate(events)),
    ] {
        for at in 0..=coded.len() {
            let (head, tail) = coded.split_at(at);
            let (passed, taken) = read(coding, "", &[head, tail]);
            assert_eq!(passed, coded, "{coding} cut at {at}");
            let counts = (taken.usage.input_tokens, taken.usage.output_tokens, taken.estimated);
            assert_eq!(counts, (9, 8, false), "{coding} cut at {at}");
        }
    }
}

#[test]
fn what_only_its_field_calls_coded_is_read_as_it_is() {
    let (first, _) = EVENTS.split_once("\n\n").unwrap();
    for coding in ["gzip", "deflate", "", "identity", " , identity ,"] {
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
    let bomb = gzip(&vec![b' '; 60 << 20]);
    let nested = gzip(&gzip(EVENTS.as_bytes()));
    for (coding, coded) in [("gzip", &broken), ("gzip", &bomb), ("br", &nested), ("gzip, gzip", &nested)] {
        let (passed, taken) = read(coding, "", &[coded]);
        assert_eq!(&passed, coded);
        assert!(taken.estimated && !taken.failed && taken.usage.output_tokens > 0, "{coding}: {taken:?}");
    }
}
