"""Media tests share a machine with encoders and browsers: a property's single try may take its time."""

from hypothesis import settings

settings.register_profile("media", deadline=None)
settings.load_profile("media")
