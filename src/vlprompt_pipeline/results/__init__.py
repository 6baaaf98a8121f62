"""Methods x datasets over every finished cell: tables for a paper, tests, one page to look at."""
