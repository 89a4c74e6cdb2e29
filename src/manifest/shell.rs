//! What a text for the shell asks for, as far as its words tell.

/// Whether a text may use the arguments that it is given. In doubt it does: only where nothing in
/// it could, they would be dropped in silence.
pub(crate) fn may_use_arguments(text: &str) -> bool {
    // A script of bash or a look into /proc.
    let roundabout = ["BASH_ARG", "cmdline"].iter().any(|way| text.contains(way));
    roundabout || text.split('$').skip(1).any(is_argument) || words_take_them(text)
}

/// Whether these characters, after a dollar, name an argument, all of them, or their number.
fn is_argument(after: &str) -> bool {
    let Some(inner) = after.strip_prefix('{') else {
        return after.starts_with(|c: char| "@*#".contains(c) || ('1'..='9').contains(&c));
    };
    // `${!NAME}` may come to any; `${#NAME}` and `${NAME…}` are of a variable.
    let name = inner.trim_start_matches('#');
    !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Commands that take the arguments unasked, or take a text from elsewhere; a loop without a list.
fn words_take_them(text: &str) -> bool {
    let ends = |c: char| c.is_whitespace() || ";&|(){}<>`\"'\\".contains(c);
    let words: Vec<&str> = text.split(ends).filter(|word| !word.is_empty()).collect();
    let taking = ["shift", "getopts", "eval", "source"];
    words.iter().any(|word| taking.contains(word))
        || words.windows(2).any(|pair| pair[0] == ".")
        || words.windows(3).any(|three| matches!(three[0], "for" | "select") && three[2] != "in")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_may_use_arguments() {
        for text in [
            "make \"$@\"",
            "echo $*",
            "echo $1",
            "test $# -gt 0",
            "echo ${1:-x}",
            "echo ${#}",
            "echo ${#1}",
            "echo ${!name}",
            "while shift; do :; done",
            "while getopts v o; do :; done",
            "for x; do echo $x; done",
            "for x do echo $x; done",
            "for x\ndo echo $x; done",
            "eval $LINE",
            ". ./more",
            "xargs -0 </proc/self/cmdline",
        ] {
            assert!(may_use_arguments(text), "{text}");
        }
    }

    #[test]
    fn texts_that_can_not_use_arguments() {
        for text in [
            "make",
            "make && make test",
            "make -C .",
            "echo $HOME ${HOME:-/} ${#HOME} $$ $? $0",
            "for x in a b; do echo $x; done",
            "echo $((2 * 3)) $(date)",
        ] {
            assert!(!may_use_arguments(text), "{text}");
        }
    }
}
