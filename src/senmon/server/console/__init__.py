"""The console: where the people of a site answer visitors, review turns and look after what is served."""
