//! The kernel's classic BPF machine, as far as filters use it.

/// What filters look at, and what lies beside it.
pub const ARGUMENTS: &[&[u64; 6]] = &[
    &[0; 6],
    &[1; 6],
    &[2, 2, 2, 2, 2, 2],
    &[8; 6],
    &[10; 6],
    &[11; 6],
    &[12; 6],
    &[16; 6],
    &[17; 6],
    &[38; 6],
    &[39; 6],
    &[40; 6],
    &[45; 6],
    &[46; 6],
    &[0x11; 6],
    &[0x2_0000; 6],
    &[0x2_0008; 6],
    &[0x5412; 6],
    &[0x541c; 6],
    &[0x5423; 6],
    &[0x1_0000_5412; 6],
    &[0x1000_0011; 6],
    &[0x7e02_0000; 6],
    &[0xffff_ffff; 6],
    &[0x1_0000_0000; 6],
    &[0x1_0000_0001; 6],
    &[0x1_0000_0028; 6],
    &[u64::MAX; 6],
    &[5, 0x5_0000_0005, 7, 0x1_8000_0000, 0, 1 << 63],
    &[9, 0x9_0000_0009, 0x9_0000_0009, u64::MAX, u64::MAX, u64::MAX],
];

/// Every number that is, and some that are not.
pub fn numbers() -> impl Iterator<Item = u32> {
    let edges = [1000, 0x3fff_ffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    (0..600).chain((0..600).map(|number| 0x4000_0000 | number)).chain(edges)
}

/// What the program returns for a call.
pub fn run(
    program: &[(u16, u8, u8, u32)],
    architecture: u32,
    number: u32,
    arguments: &[u64; 6],
) -> u32 {
    let word = |at: u32| match at {
        0 => number,
        4 => architecture,
        16.. => {
            let argument = arguments[(at as usize - 16) / 8];
            if at.is_multiple_of(8) { argument as u32 } else { (argument >> 32) as u32 }
        }
        _ => panic!("no filter of ours looks at {at}"),
    };
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let (code, yes, no, k) = program[at];
        let jump = |is: bool| usize::from(if is { yes } else { no });
        at += 1;
        match code {
            0x20 => accumulator = word(k),
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => at += jump(accumulator == k),
            0x25 => at += jump(accumulator > k),
            0x35 => at += jump(accumulator >= k),
            0x45 => at += jump(accumulator & k != 0),
            0x06 => return k,
            _ => panic!("code {code:#x}"),
        }
    }
}
