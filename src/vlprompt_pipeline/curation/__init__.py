"""Better labels: photos as features, near copies, likely wrong labels, and a page to correct them.

| module | what it does |
| --- | --- |
| `embeddings` | features of a folder of photos, as a Parquet file |
| `nearest` | photos near to a text or a picture |
| `near_copies` | groups of photos that show nearly the same |
| `label_errors` | photos that are probably labelled wrongly (confident learning) |
| `order` | which predictions a person should look at first |
| `review_page` | a page with these photos, on which labels are corrected |
| `relabel` | the corrected labels as a table that is a dataset |
"""
