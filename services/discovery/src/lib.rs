//! Finds datasets: sources, crawls, announcements.
