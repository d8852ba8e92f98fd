"""Materials: data with sources, composition, effective mass, band filling."""
