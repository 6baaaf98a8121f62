"""Methods x datasets over every finished cell."""
