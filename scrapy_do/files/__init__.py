"""The disk, nothing but the disk: archives, artifacts of jobs, run directories, crawl records.

Everything here is blocking and is called off the reactor thread.
"""
