//! The properties of `fuzz/`, tried with every seed and with inputs made from seeds and dictionaries by chance: the same ones in
//! every run. `scripts/fuzz` tries them for as long as one likes, guided by what of the code an input reaches.

#[cfg(test)]
#[path = "../fuzz/src/lib.rs"]
mod targets;

#[cfg(test)]
mod fuzz {
    use std::{fs, panic, path::Path};

    use super::targets::{TARGETS, Target};

    /// How many inputs are made for each property.
    const CASES: usize = 4_000;
    /// The longest input, in bytes.
    const LONGEST: usize = 4_096;

    fn folder(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
    }

    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let mut paths: Vec<_> =
            fs::read_dir(folder("seeds").join(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    /// The words of a dictionary of libFuzzer: each in quotation marks on a line, with `\xNN`.
    fn words(target: &str) -> Vec<Vec<u8>> {
        let text = fs::read_to_string(folder("dictionaries").join(format!("{target}.dict"))).unwrap();
        let quoted = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
        quoted.map(unescaped).collect()
    }

    fn unescaped(word: &str) -> Vec<u8> {
        let mut bytes = word.bytes();
        let mut plain = vec![];
        while let Some(byte) = bytes.next() {
            plain.push(match (byte, byte == b'\\') {
                (_, true) => match bytes.next().unwrap() {
                    b'x' => {
                        let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                        u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                    }
                    other => other,
                },
                (byte, false) => byte,
            });
        }
        plain
    }

    /// Numbers that look like chance and are the same in every run (`SplitMix64`).
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound.max(1)).unwrap()).unwrap()
        }
    }

    /// A seed, changed at up to eight places.
    fn input(random: &mut Random, seeds: &[Vec<u8>], words: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[random.below(seeds.len())].clone();
        for _ in 0..random.below(9) {
            let at = random.below(input.len() + 1);
            let end = (at + random.below(9)).min(input.len());
            match random.below(6) {
                0 => drop(input.splice(at..at, words[random.below(words.len())].iter().copied())),
                1 => drop(input.splice(at..end, words[random.below(words.len())].iter().copied())),
                2 => drop(input.drain(at..end)),
                3 => input.insert(at, u8::try_from(random.below(256)).unwrap()),
                4 => {
                    let other = &seeds[random.below(seeds.len())];
                    input.truncate(at);
                    input.extend_from_slice(&other[random.below(other.len())..]);
                }
                _ => {
                    let copied = input[at..end].to_vec();
                    input.splice(at..at, copied);
                }
            }
        }
        input.truncate(LONGEST);
        input
    }

    fn holds(target: Target, input: &[u8]) {
        let (name, property) = target;
        let holds = panic::catch_unwind(|| property(input)).is_ok();
        assert!(holds, "{name} does not hold for {:?}", String::from_utf8_lossy(input));
    }

    fn hold(target: Target) {
        let (seeds, words) = (seeds(target.0), words(target.0));
        for seed in &seeds {
            holds(target, seed);
        }
        let mut random = Random(1);
        (0..CASES).for_each(|_| holds(target, &input(&mut random, &seeds, &words)));
    }

    macro_rules! properties {
        ($($name:ident)*) => {
            $(#[test]
            fn $name() {
                hold(*TARGETS.iter().find(|(name, _)| *name == stringify!($name)).unwrap());
            })*

            #[test]
            fn every_target_is_tried_here_and_by_cargo_fuzz() {
                let tried = [$(stringify!($name)),*];
                assert_eq!(TARGETS.map(|(name, _)| name).as_slice(), tried);
                let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
                assert_eq!(manifest.matches("[[bin]]").count(), tried.len());
                for name in tried {
                    assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
                    assert!(folder("fuzz_targets").join(format!("{name}.rs")).exists(), "{name}");
                }
            }
        };
    }

    properties! {
        admin_body canonical_path compact_jwt cursor forwarded header_hygiene key_set meter_request meter_stream
        meter_usage problem_body
    }
}
