"""One module for each page: from what the waist says to the values that its template shows."""
