//! Looks at the machine, and changes nothing.
