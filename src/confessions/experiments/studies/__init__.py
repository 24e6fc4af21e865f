"""Named studies that test the claims of the paper and the article; `catalogue` lists them."""
