//! A world as pages that people read: the same pages for a browser and for a report in one file.
//!
//! A page is made from a state of the world, and reads nothing that its reader may not see.
